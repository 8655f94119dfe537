# coin change, two versions. the greedy one is WRONG for some coins (see below), keep it for the talk
COINS = [1, 2, 5, 10, 20, 50, 100, 200]

def greedy(amount, coins):
    used = []
    for c in sorted(coins, reverse=True):
        while amount >= c:
            amount -= c
            used.append(c)
    if amount != 0: return None
    return used

def best(amount, coins):
    INF = 10 ** 9
    need = [0] + [INF] * amount
    last = [0] * (amount + 1)
    for a in range(1, amount + 1):
        for c in coins:
            if c <= a and need[a - c] + 1 < need[a]:
                need[a] = need[a - c] + 1
                last[a] = c
    if need[amount] == INF:
        return None
    used = []
    while amount > 0:
        used.append(last[amount])
        amount -= last[amount]
    return sorted(used, reverse=True)

def ways(amount, coins):
    w = [1] + [0] * amount
    for c in coins:
        for a in range(c, amount + 1):
            w[a] += w[a - c]
    return w[amount]

if __name__ == "__main__":
    print("greedy", greedy(6, [1, 3, 4]))
    print("best  ", best(6, [1, 3, 4]))
    print("ways to pay 2 euro:", ways(200, COINS))
    amt = int(input("cents: "))
    print(best(amt, COINS))
