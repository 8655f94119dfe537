import sys

words = """listen silent enlist google elbow below state taste
tates night thing dusty study inch chin""".split()

def key(w):
    return "".join(sorted(w.lower()))

def groups(words):
    d = {}
    for w in words:
        k = key(w)
        if k not in d:
            d[k] = []
        if w not in d[k]:
            d[k].append(w)
    # only those with a partner
    res = []
    for k in d:
        if len(d[k]) > 1:
            res.append(sorted(d[k]))
    res.sort()
    return res

def is_anagram(a, b):
    a = a.replace(" ", "")
    b = b.replace(" ", "")
    return key(a) == key(b) and a.lower() != b.lower()

def main():
    if len(sys.argv) > 1:
        f = open(sys.argv[1])
        ws = f.read().split()
        f.close()
    else:
        ws = words
    for g in groups(ws):
        print(len(g), ", ".join(g))
    print(is_anagram("Dormitory", "dirty room"))

if __name__ == "__main__":
    main()
