"""Rank a poker hand (5 cards).   Cards are strings like 'AS' '10H' '7D'"""
from collections import Counter

VALUES = {'2':2,'3':3,'4':4,'5':5,'6':6,'7':7,'8':8,'9':9,'10':10,'J':11,'Q':12,'K':13,'A':14}

def rank_hand(cards):
    vals = sorted([VALUES[c[:-1]] for c in cards])
    suits = [c[-1] for c in cards]
    flush = len(set(suits)) == 1
    straight = False
    if vals == [2,3,4,5,14]:
        straight = True     # wheel
    elif len(set(vals)) == 5 and vals[4] - vals[0] == 4:
        straight = True
    counts = sorted(Counter(vals).values(), reverse=True)

    if straight and flush:
        if vals[0] == 10:
            return "royal flush"
        return "straight flush"
    if counts[0] == 4: return "four of a kind"
    if counts == [3, 2]: return "full house"
    if flush: return "flush"
    if straight: return "straight"
    if counts[0] == 3: return "three of a kind"
    if counts[0] == 2 and counts[1] == 2: return "two pair"
    if counts[0] == 2: return "pair"
    return "high card"

# old version, with only pairs
# def rank_hand(cards):
#     if len(set(c[0] for c in cards)) < 5:
#         return 'pair'

if __name__ == "__main__":
    tests = [
        ["AS", "KS", "QS", "JS", "10S"],
        ["2H", "2D", "2C", "KC", "KD"],
        ["3H", "4D", "5C", "6C", "7D"],
        ["9H", "9D", "4C", "4S", "AD"],
    ]
    for t in tests:
        print(" ".join(t), "=>", rank_hand(t))
    mine = input("your 5 cards separated by space: ").upper().split()
    print(rank_hand(mine))
