DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

def to_base(n, base):
    if base < 2 or base > 36:
        raise ValueError("base must be 2..36")
    if n == 0:
        return "0"
    neg = n < 0
    n = abs(n)
    s = ""
    while n > 0:
        s = DIGITS[n % base] + s
        n = n // base
    return "-" + s if neg else s

def from_base(s, base):
    s = s.upper().strip()
    sign = 1
    if s[0] == "-":
        sign = -1
        s = s[1:]
    n = 0
    for ch in s:
        d = DIGITS.index(ch)
        if d >= base:
            raise ValueError("digit %s is not allowed in base %d" % (ch, base))
        n = n * base + d
    return sign * n

def convert(number, from_b, to_b):
    return to_base(from_base(number, from_b), to_b)

# quick test
print(convert("255", 10, 16))     # FF
print(convert("FF", 16, 2))       # 11111111
print(convert("-777", 8, 10))     # -511

if __name__ == "__main__":
    while True:
        line = input("number from to: ")
        if not line: break
        a, b, c = line.split()
        print(convert(a, int(b), int(c)))
