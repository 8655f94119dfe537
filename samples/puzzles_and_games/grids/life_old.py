import time, sys

GLIDER = [
    ".#......",
    "..#.....",
    "###.....",
    "........",
    "........",
    "........",
]

def neighbours(g, r, c):
    n = 0
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            if dr == 0 and dc == 0: continue
            rr = (r + dr) % len(g)        # wraps around
            cc = (c + dc) % len(g[0])
            if g[rr][cc] == "#":
                n += 1
    return n

def step(g):
    out = []
    for r in range(len(g)):
        line = ""
        for c in range(len(g[0])):
            k = neighbours(g, r, c)
            if g[r][c] == "#" and k in (2, 3):
                line += "#"
            elif g[r][c] != "#" and k == 3:
                line += "#"
            else:
                line += "."
        out.append(line)
    return out

def alive(g):
    return sum(l.count("#") for l in g)

def run(g, generations):
    for _ in range(generations):
        g = step(g)
    return g

if __name__ == "__main__":
    g = GLIDER
    for gen in range(20):
        sys.stdout.write("\n".join(g) + "\n")
        print("generation", gen, "alive", alive(g))
        g = step(g)
        time.sleep(0.1)
