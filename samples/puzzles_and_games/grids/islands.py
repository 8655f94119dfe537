"""
islands.py -- count the islands on a map and tell how big they are
'#' land  '~' water
"""
import sys
sys.setrecursionlimit(5000)

MAP = """
##~~~~#
#~~##~~
~~~##~~
~#~~~~#
~##~~##
"""

def parse(text):
    return [list(line) for line in text.strip().split("\n")]

def flood(grid, r, c):
    if r < 0 or c < 0 or r >= len(grid) or c >= len(grid[r]):
        return 0
    if grid[r][c] != "#":
        return 0
    grid[r][c] = "x"        # visited
    size = 1
    size += flood(grid, r + 1, c)
    size += flood(grid, r - 1, c)
    size += flood(grid, r, c + 1)
    size += flood(grid, r, c - 1)
    # diagonals do not count!
    return size

def islands(grid):
    sizes = []
    for r in range(len(grid)):
        for c in range(len(grid[r])):
            s = flood(grid, r, c)
            if s > 0:
                sizes.append(s)
    sizes.sort(reverse=True)
    return sizes

if __name__ == "__main__":
    g = parse(MAP)
    s = islands(g)
    print("number of islands:", len(s))
    print("sizes:", s)
    print("biggest:", s[0] if s else 0)
