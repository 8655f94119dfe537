# text statistics for the german/english language lesson
VOWELS = "aeiou"

def stats(text):
    v = 0; c = 0; other = 0
    each = {}
    for ch in text.lower():
        if ch in VOWELS:
            v += 1
            each[ch] = each.get(ch, 0) + 1
        elif ch.isalpha():
            c += 1
        else:
            other += 1
    words = text.split()
    longest = ""
    for w in words:
        w = w.strip(".,;:!?")
        if len(w) > len(longest):
            longest = w
    d = {}
    d["vowels"] = v
    d["consonants"] = c
    d["other"] = other
    d["each"] = each
    d["words"] = len(words)
    d["longest"] = longest
    if v + c > 0:
        d["vowel_percent"] = round(100.0 * v / (v + c), 1)
    else:
        d["vowel_percent"] = 0.0
    return d

def plot(d):
    import matplotlib.pyplot as plt
    plt.bar(list(d["each"].keys()), list(d["each"].values()))
    plt.title("vowels")
    plt.show()

if __name__ == '__main__':
    t = input("type a sentence: ")
    d = stats(t)
    for k in d:
        print(k.ljust(15), d[k])
    if input("plot? y/n ") == "y":
        plot(d)
