# compte les mots d'une phrase (exercice 4, été 2016)
# auteur: Renée

def compte(phrase):
    mots = phrase.lower().split()
    res = {}
    for m in mots:
        m = m.strip(".,;!?")
        res[m] = res.get(m, 0) + 1
    return res

def plus_frequent(phrase):
    c = compte(phrase)
    meilleur = None
    for m in sorted(c):
        if meilleur is None or c[m] > c[meilleur]:
            meilleur = m
    return meilleur

if __name__ == "__main__":
    p = "le café est très chaud et le thé est froid"
    print(compte(p))
    print("mot le plus fréquent :", plus_frequent(p))
