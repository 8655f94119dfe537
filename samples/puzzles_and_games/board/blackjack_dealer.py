# Blackjack: play out one round with a given deck (no shuffling here, the caller shuffles)
FACES = ["J", "Q", "K"]

def hand_value(hand):
    total = 0
    aces = 0
    for card in hand:
        if card in FACES:
            total += 10
        elif card == "A":
            total += 11
            aces += 1
        else:
            total += int(card)
    while total > 21 and aces > 0:
        total -= 10
        aces -= 1
    return total


def play_round(deck, stand_at=17):
    deck = list(deck)
    player = [deck.pop(0), deck.pop(0)]
    dealer = [deck.pop(0), deck.pop(0)]
    while hand_value(player) < stand_at and deck:
        player.append(deck.pop(0))
    p = hand_value(player)
    if p > 21:
        return {"winner": "dealer", "player": p, "dealer": hand_value(dealer)}
    # dealer always stands on 17 (soft 17 too)
    while hand_value(dealer) < 17 and deck:
        dealer.append(deck.pop(0))
    d = hand_value(dealer)
    if d > 21 or p > d:
        w = "player"
    elif p == d:
        w = "push"
    else:
        w = "dealer"
    return {"winner": w, "player": p, "dealer": d}


if __name__ == "__main__":
    deck = ["A", "7", "10", "6", "9", "2", "K", "5", "3", "Q"]
    print(play_round(deck))
    print(play_round(deck, stand_at=19))
    # chips = 100
    # while chips > 0: ...      TODO betting
