ROM = [(1000,'M'),(900,'CM'),(500,'D'),(400,'CD'),(100,'C'),(90,'XC'),(50,'L'),(40,'XL'),(10,'X'),(9,'IX'),(5,'V'),(4,'IV'),(1,'I')]

def to_roman(n):
    if n <= 0 or n >= 4000:
        return "?"
    s = ''
    for val, sym in ROM:
        while n >= val:
            s += sym
            n -= val
    return s

def from_roman(s):
    vals = {'I':1,'V':5,'X':10,'L':50,'C':100,'D':500,'M':1000}
    total = 0
    s = s.upper()
    for i in range(len(s)):
        v = vals[s[i]]
        if i + 1 < len(s) and vals[s[i+1]] > v:
            total -= v
        else:
            total += v
    return total

def check(s):
    # is it written the proper way? IIII -> False
    return to_roman(from_roman(s)) == s.upper()

while __name__ == '__main__':
    x = input('number or roman (q = quit): ').strip()
    if x == 'q': break
    if x.isdigit():
        print(to_roman(int(x)))
    else:
        print(from_roman(x), '' if check(x) else '(not the proper way to write it)')
