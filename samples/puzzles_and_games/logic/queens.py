# N queens, counting version
# the printing version is in queens_print.py (lost it)

count = 0
calls = 0

def safe(cols, row, col):
    for r in range(row):
        c = cols[r]
        if c == col or abs(c - col) == row - r:
            return False
    return True

def place(cols, row, n):
    global count, calls
    calls += 1
    if row == n:
        count = count + 1
        # print(cols)
        return
    for col in range(n):
        if safe(cols, row, col):
            cols[row] = col
            place(cols, row + 1, n)

def n_queens(n):
    global count, calls
    count = 0
    calls = 0
    place([0] * n, 0, n)
    return count

for n in range(1, 8):
    print("n =", n, "solutions =", n_queens(n), "(calls: %d)" % calls)
# n=12 takes very long dont try
