# snakes and ladders, dice values come from a list so i can test it
JUMPS = {3: 22, 8: 26, 15: 6, 20: 41, 27: 53, 36: 11, 44: 65, 50: 72, 57: 29, 61: 18,
         69: 88, 76: 47, 83: 97, 92: 70, 98: 55}
LAST = 100


def move(pos, dice):
    new = pos + dice
    if new > LAST:
        return pos              # too far, stay
    if new in JUMPS:
        kind = "ladder" if JUMPS[new] > new else "snake"
        print("   ", kind, new, "->", JUMPS[new])
        new = JUMPS[new]
    return new


def game(dice, players=2):
    """plays till someone is on 100 or dice are used up"""
    where = [0] * players
    turn = 0
    for d in dice:
        p = turn % players
        where[p] = move(where[p], d)
        print("player", p, "rolled", d, "now on", where[p])
        if where[p] == LAST:
            print("WINNER", p)
            return {"winner": p, "positions": where, "rolls": turn + 1}
        if d != 6:              # a six: roll again
            turn += 1
    return {"winner": None, "positions": where, "rolls": len(dice)}


print(game([4, 3, 6, 3, 5, 6, 6, 2, 1, 5, 4, 4, 3]))
