"""0/1 knapsack for the camping trip :-)"""

ITEMS = [
    # name, weight, value
    ("tent", 5, 10),
    ("stove", 3, 6),
    ("food", 4, 9),
    ("book", 1, 2),
    ("guitar", 4, 3),
    ("lamp", 2, 5),
]

def knapsack(items, cap):
    n = len(items)
    T = [[0] * (cap + 1) for _ in range(n + 1)]
    for i in range(1, n + 1):
        name, w, v = items[i - 1]
        for c in range(cap + 1):
            T[i][c] = T[i - 1][c]
            if w <= c:
                T[i][c] = max(T[i][c], T[i - 1][c - w] + v)
    # go back to see which ones we took
    chosen = []
    c = cap
    for i in range(n, 0, -1):
        if T[i][c] != T[i - 1][c]:
            chosen.append(items[i - 1][0])
            c -= items[i - 1][1]
    chosen.reverse()
    return T[n][cap], chosen

def total_weight(names):
    t = 0
    for it in ITEMS:
        if it[0] in names: t += it[1]
    return t

if __name__ == "__main__":
    for cap in (5, 8, 10, 15):
        val, names = knapsack(ITEMS, cap)
        print("capacity", cap, "value", val, names, "weight", total_weight(names))
