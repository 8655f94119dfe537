def divisors(n):
    l = []
    for i in range(1, n):
        if n % i == 0: l.append(i)
    return l

def classify(n):
    """perfect / abundant / deficient"""
    s = sum(divisors(n))
    if s == n: return "perfect"
    elif s > n: return "abundant"
    else: return "deficient"

def amicable(a, b):
    return a != b and sum(divisors(a)) == b and sum(divisors(b)) == a

def table(start, stop):
    counts = {"perfect": 0, "abundant": 0, "deficient": 0}
    for n in range(start, stop + 1):
        counts[classify(n)] += 1
    return counts

from_ = 1
to_ = 500

print("perfect numbers:")
for n in range(from_ + 1, to_):
    if classify(n) == "perfect":
        print(n, "=", " + ".join(map(str, divisors(n))))
print(table(from_, to_))
print("220 and 284:", amicable(220, 284))
# next perfect number is 8128, needs a faster divisors()
