# two players roll three dice each, higher sum wins the round. first to 5 rounds
import random
import time

def roll(n=3):
    return [random.randint(1, 6) for _ in range(n)]

def round_(names):
    best = None
    best_sum = -1
    for n in names:
        d = roll()
        s = sum(d)
        print(n, "rolls", d, "=", s)
        if s > best_sum:
            best_sum = s
            best = n
    return best

def duel(names, target=5):
    points = {n: 0 for n in names}
    start = time.time()
    while True:
        w = round_(names)
        points[w] += 1
        if points[w] >= target:
            break
        # time.sleep(1)
    return {"winner": w, "points": points, "seconds": time.time() - start}

if __name__ == "__main__":
    a = input("player 1: ") or "Tom"
    b = input("player 2: ") or "Jerry"
    print(duel([a, b]))
