import string
alphabet = string.ascii_lowercase

def encrypt(text, key):
    result = ""
    for ch in text:
        if ch.lower() in alphabet:
            i = alphabet.index(ch.lower())
            new = alphabet[(i + key) % 26]
            if ch.isupper():
                new = new.upper()
            result = result + new
        else:
            result = result + ch    # spaces, dots ...
    return result

def decrypt(text, key):
    return encrypt(text, -key)

def crack(text):
    # the most frequent letter is probably an e
    best = None
    most = 0
    for letter in alphabet:
        n = text.lower().count(letter)
        if n > most:
            most = n
            best = letter
    if best == None:
        return 0
    return (alphabet.index(best) - alphabet.index("e")) % 26

if __name__ == "__main__":
    print("1 encrypt  2 decrypt  3 crack")
    what = input("> ")
    t = input("text: ")
    if what == "1":
        print(encrypt(t, int(input("key: "))))
    elif what == "2":
        print(decrypt(t, int(input("key: "))))
    else:
        k = crack(t)
        print("key is maybe", k, ":", decrypt(t, k))
