moves=[]
def hanoi(n,src,dst,tmp):
    if n==0: return
    hanoi(n-1,src,tmp,dst)
    moves.append(src+dst)
    hanoi(n-1,tmp,dst,src)

def play(mv, n):
    # replay list of moves like "AC" and see if they are legal
    pegs={"A":list(range(n,0,-1)),"B":[],"C":[]}
    for i,m in enumerate(mv):
        f=m[0]; t=m[1]
        if len(pegs[f])==0:
            return {"ok":False,"at":i,"why":"peg %s is empty"%f}
        disk=pegs[f][-1]
        if pegs[t] and pegs[t][-1]<disk:
            return {"ok":False,"at":i,"why":"disk %d is too big for peg %s"%(disk,t)}
        pegs[t].append(pegs[f].pop())
    return {"ok":True,"pegs":pegs,"done":len(pegs["C"])==n}

if __name__=="__main__":
    hanoi(3,"A","C","B")
    print(moves)
    print(len(moves), "moves, 2^n-1 =", 2**3-1)
    print(play(moves,3))
    print(play(["AC","AC"],3))   # should complain
