import pygame
import sys
from settings import WIDTH, HEIGHT, FPS

pygame.init()
screen = pygame.display.set_mode((WIDTH, HEIGHT))
clock = pygame.time.Clock()
font = pygame.font.SysFont("arial", 24)

class Paddle(pygame.sprite.Sprite):
    def __init__(self, x):
        pygame.sprite.Sprite.__init__(self)
        self.rect = pygame.Rect(x, HEIGHT // 2 - 40, 10, 80)
    def move(self, dy):
        self.rect.y += dy
        self.rect.clamp_ip(screen.get_rect())
    def draw(self):
        pygame.draw.rect(screen, (255, 255, 255), self.rect)

left = Paddle(10)
right = Paddle(WIDTH - 20)
ball = pygame.Rect(WIDTH // 2, HEIGHT // 2, 10, 10)
vx, vy = 4, 3

while True:
    for e in pygame.event.get():
        if e.type == pygame.QUIT:
            pygame.quit()
            sys.exit()
    keys = pygame.key.get_pressed()
    if keys[pygame.K_w]: left.move(-5)
    if keys[pygame.K_s]: left.move(5)
    if keys[pygame.K_UP]: right.move(-5)
    if keys[pygame.K_DOWN]: right.move(5)
    ball.x += vx
    ball.y += vy
    if ball.top <= 0 or ball.bottom >= HEIGHT: vy = -vy
    if ball.colliderect(left.rect) or ball.colliderect(right.rect): vx = -vx
    screen.fill((0, 0, 0))
    left.draw(); right.draw()
    pygame.draw.ellipse(screen, (255, 200, 0), ball)
    screen.blit(font.render("PONG", True, (90, 90, 90)), (WIDTH // 2 - 30, 10))
    pygame.display.flip()
    clock.tick(FPS)
