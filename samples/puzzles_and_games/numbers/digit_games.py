# all kinds of games with the digits of a number
def digits(n):
    return [int(c) for c in str(abs(n))]

def digital_root(n):
    while n > 9:
        n = sum(digits(n))
    return n

def persistence(n):
    steps = 0
    while n > 9:
        p = 1
        for d in digits(n): p *= d
        n = p
        steps += 1
    return steps

def is_happy(n):
    seen = set()
    while n != 1:
        if n in seen: return False
        seen.add(n)
        n = sum(d*d for d in digits(n))
    return True

def is_armstrong(n):
    ds = digits(n)
    return n == sum(d ** len(ds) for d in ds)

def kaprekar_steps(n):
    # 4 digits, not all the same -> always ends at 6174
    steps = 0
    while n != 6174:
        s = str(n).zfill(4)
        if len(set(s)) == 1: return -1
        n = int("".join(sorted(s, reverse=True))) - int("".join(sorted(s)))
        steps += 1
    return steps

def report(n):
    return {
        'root': digital_root(n),
        'persistence': persistence(n),
        'happy': is_happy(n),
        'armstrong': is_armstrong(n),
    }

if __name__ == '__main__':
    for x in [7, 39, 153, 999, 3524]:
        print(x, report(x))
    print(kaprekar_steps(3524))
