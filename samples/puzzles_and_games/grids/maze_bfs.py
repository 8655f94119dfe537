from collections import deque
import csv

maze = ["S.#....",
        "..#.##.",
        "#...#..",
        "..#...#",
        ".##.#.E"]

def load(filename):
    # maze from a csv with 0/1, not used at the moment
    with open(filename) as f:
        return ["".join("#" if x == "1" else "." for x in row) for row in csv.reader(f)]

def find(maze, ch):
    for r, row in enumerate(maze):
        if ch in row:
            return (r, row.index(ch))
    return None

def shortest(maze):
    start = find(maze, "S"); end = find(maze, "E")
    if start is None or end is None: return -1
    q = deque([start])
    dist = {start: 0}
    while len(q) > 0:
        cur = q.popleft()
        if cur == end:
            return dist[cur]
        r, c = cur
        for (dr, dc) in [(0,1),(1,0),(0,-1),(-1,0)]:
            nr, nc = r + dr, c + dc
            if 0 <= nr < len(maze) and 0 <= nc < len(maze[0]):
                if maze[nr][nc] != "#" and (nr, nc) not in dist:
                    dist[(nr, nc)] = dist[cur] + 1
                    q.append((nr, nc))
    return -1

print("\n".join(maze))
d = shortest(maze)
print("no way out" if d == -1 else "shortest way has %d steps" % d)
