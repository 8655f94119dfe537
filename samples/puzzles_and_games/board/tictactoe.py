# tic tac toe for two players on one keyboard
import os

board = [" "] * 9
LINES = [(0,1,2),(3,4,5),(6,7,8),(0,3,6),(1,4,7),(2,5,8),(0,4,8),(2,4,6)]

def cls():
    os.system("cls" if os.name == "nt" else "clear")

def draw(b):
    print(" %s | %s | %s " % (b[0], b[1], b[2]))
    print("---+---+---")
    print(" %s | %s | %s " % (b[3], b[4], b[5]))
    print("---+---+---")
    print(" %s | %s | %s " % (b[6], b[7], b[8]))

def status(b):
    """'X' or 'O' if someone won, 'draw', or 'open' if still playing"""
    for x, y, z in LINES:
        if b[x] != " " and b[x] == b[y] and b[y] == b[z]:
            return b[x]
    if " " not in b:
        return "draw"
    return "open"

def whoseTurn(b):
    if b.count("X") > b.count("O"):
        return "O"
    else:
        return "X"

if __name__ == "__main__":
    while status(board) == "open":
        cls()
        draw(board)
        p = whoseTurn(board)
        where = input(p + " where (1-9)? ")
        try:
            k = int(where) - 1
        except ValueError:
            continue
        if k < 0 or k > 8 or board[k] != " ":
            print("not possible"); continue
        board[k] = p
    draw(board)
    print("result:", status(board))
