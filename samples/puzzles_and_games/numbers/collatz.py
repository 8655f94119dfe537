# collatz / 3n+1

cache = {}

def collatz(n):
    seq = [n]
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        seq.append(n)
    return seq

def info(n):
    s = collatz(n)
    odd = 0
    for x in s:
        if x % 2 == 1:
            odd = odd + 1
    return {"start": n, "steps": len(s) - 1, "highest": max(s), "odd": odd}

def longest_below(limit):
    best = 1
    best_len = 0
    for i in range(1, limit):
        l = len(collatz(i))
        if l > best_len:
            best_len = l
            best = i
    return best, best_len

if __name__ == "__main__":
    n = int(input("n = "))
    print(" -> ".join(str(x) for x in collatz(n)))
    print(info(n))
    print("longest below 1000:", longest_below(1000))
    # print("longest below 1000000:", longest_below(1000000))  # slow!!
