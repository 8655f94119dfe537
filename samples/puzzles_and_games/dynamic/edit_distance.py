# levenshtein. used for "did you mean ...?"

def dist(a, b):
    m = len(a); n = len(b)
    d = []
    for i in range(m + 1):
        d.append([0] * (n + 1))
        d[i][0] = i
    for j in range(n + 1):
        d[0][j] = j
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            cost = 1
            if a[i-1] == b[j-1]:
                cost = 0
            d[i][j] = min(d[i-1][j] + 1, d[i][j-1] + 1, d[i-1][j-1] + cost)
    #for row in d: print(row)
    return d[m][n]

def suggest(word, vocabulary, limit=2):
    best = []
    for v in vocabulary:
        x = dist(word.lower(), v.lower())
        if x <= limit:
            best.append((x, v))
    best.sort()
    return [v for x, v in best]

COMMANDS = ["commit", "checkout", "branch", "merge", "rebase", "status", "stash"]

if __name__ == "__main__":
    print(dist("kitten", "sitting"))
    cmd = input("command: ")
    if cmd in COMMANDS:
        print("ok")
    else:
        s = suggest(cmd, COMMANDS)
        if s:
            print("unknown. did you mean", " or ".join(s), "?")
        else:
            print("unknown command")
