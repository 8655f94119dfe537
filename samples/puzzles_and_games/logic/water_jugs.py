from collections import deque

# two jugs, no marks on them. how many steps to measure `goal` litres?
A = 5
B = 3
GOAL = 4

def solve(a_cap, b_cap, goal):
    start = (0, 0)
    todo = deque()
    todo.append((start, 0))
    seen = set()
    seen.add(start)
    while todo:
        (a, b), steps = todo.popleft()
        if a == goal or b == goal:
            return steps
        nxt = []
        nxt.append((a_cap, b))      # fill a
        nxt.append((a, b_cap))      # fill b
        nxt.append((0, b))          # empty a
        nxt.append((a, 0))          # empty b
        t = min(a, b_cap - b)       # a -> b
        nxt.append((a - t, b + t))
        t = min(b, a_cap - a)       # b -> a
        nxt.append((a + t, b - t))
        for s in nxt:
            if s not in seen:
                seen.add(s)
                todo.append((s, steps + 1))
    return -1    # impossible


print("jugs", A, "and", B, "goal", GOAL)
r = solve(A, B, GOAL)
if r < 0:
    print("cannot be done")
else:
    print("needs", r, "steps")
# print(solve(6, 4, 3))  -> -1 because gcd is 2
