# run length encoding   aaabcc -> 3a1b2c
def encode(s):
    if s == "":
        return ""
    out = ""
    prev = s[0]
    n = 0
    for ch in s:
        if ch == prev:
            n += 1
        else:
            out += str(n) + prev
            prev = ch
            n = 1
    out += str(n) + prev
    return out

def decode(s):
    out = ""
    num = ""
    for ch in s:
        if ch.isdigit():
            num += ch
        else:
            out += ch * int(num)
            num = ""
    return out

def ratio(s):
    """how much smaller (below 1) or bigger (above 1) it gets"""
    if len(s) == 0: return 1.0
    return round(len(encode(s)) / len(s), 3)

text = "wwwwbbbwwwwwwwwwwbw"
e = encode(text)
print(text, "->", e)
assert decode(e) == text
print("ratio:", ratio(text))
print("ratio of 'abc':", ratio("abc"))
# FIXME: does not work when the text itself has digits in it
