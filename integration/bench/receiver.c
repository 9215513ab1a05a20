/* The other end of the benchmark, the same for every daemon: a receiver of webhooks, and a hand that makes
 * files. One process, one thread, epoll, no allocation per request: it must not be what is measured.
 *
 *   receiver serve PORT-FILE     commands on stdin: "expect N" counts anew; "give up" ends a count early; "fail" answers
 *                                503 from then on, "serve" 200 again; "how many" prints "have REQUESTS"
 *   receiver burst DIR FIRST N   creates N files of 100 bytes in DIR as fast as it can
 *   receiver stream DIR FIRST N MICROSECONDS   the same, one in so many microseconds
 *   receiver spread DIR FIRST N MANY   the same, MANY in each of the directories DIR/d0000, DIR/d0001 ...
 *   receiver hold DIR FIRST N    the same, all held open until a line comes on stdin; then each is written to and closed
 *   receiver rename FROM DIR FIRST N   the same, but moved in from FROM, where they are made first
 *
 * Files are called f0000000 and so on. Both sides print lines "NUMBER NANOSECONDS" of CLOCK_MONOTONIC: when a
 * file landed (taken before close or rename, so that no latency looks shorter than it is), when its request
 * was complete. `serve` prints them, and then "end UNIQUE REPEATED", once N different files have come. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 4000000, CONNECTIONS = 1024, REQUEST = 32768 };

static long long arrived[FILES];
static int expected = -1, unique, repeated, failing;
static struct { int used; char data[REQUEST + 1]; } connection[CONNECTIONS];

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void check(int ok, const char *what) {
  if (!ok) { perror(what); exit(1); }
}

static void report(void) {
  for (int i = 0; i < FILES; i++)
    if (arrived[i]) printf("%d %lld\n", i, arrived[i]);
  printf("end %d %d\n", unique, repeated);
  fflush(stdout);
  expected = -1;
}

static void count(const char *body, size_t len, long long at) {
  static const char key[] = "\"rel_path\":\"";
  const char *path = memmem(body, len, key, sizeof key - 1);
  if (!path) return;
  path += sizeof key - 1;
  const char *end = memchr(path, '"', len - (path - body));
  while (end && memchr(path, '/', end - path)) path = (char *)memchr(path, '/', end - path) + 1;
  int number = *path == 'f' ? atoi(path + 1) : FILES;
  if (number < 0 || number >= FILES) return;
  if (arrived[number]) { repeated++; return; }
  arrived[number] = at;
  if (++unique == expected) report();
}

/* Answers every complete request in the buffer; returns 0 when the connection makes no sense. */
static int answer(int fd) {
  static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  static const char no[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  char *at = connection[fd].data, *end = at + connection[fd].used;
  long long time = now();
  for (;;) {
    char *head = memmem(at, end - at, "\r\n\r\n", 4);
    if (!head) break;
    *head = 0;
    char *length = strcasestr(at, "\r\ncontent-length:");
    *head = '\r';
    char *body = head + 4;
    long len = length ? atol(length + 17) : 0;
    if (len < 0 || len > REQUEST) return 0;
    if (end - body < len) break;
    if (failing ? write(fd, no, sizeof no - 1) < 0 : write(fd, ok, sizeof ok - 1) < 0) return 0;
    if (!failing) count(body, len, time);
    at = body + len;
  }
  connection[fd].used = end - at;
  memmove(connection[fd].data, at, end - at);
  return connection[fd].used < REQUEST;
}

static int command(void) {
  char line[64] = {0};
  ssize_t got = read(0, line, sizeof line - 1);
  if (got <= 0) return 0;
  if (sscanf(line, "expect %d", &expected) == 1) {
    memset(arrived, 0, sizeof arrived);
    unique = repeated = 0;
    printf("ready\n");
    fflush(stdout);
  } else if (!strncmp(line, "fail", 4) || !strncmp(line, "serve", 5)) {
    failing = *line == 'f';
  } else if (!strncmp(line, "how many", 8)) {
    printf("have %d\n", unique + repeated);
    fflush(stdout);
  } else if (expected >= 0) {
    report();
  }
  return 1;
}

static int serve(const char *port_file) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  check(!bind(listener, (void *)&address, size) && !listen(listener, 256), "listen");
  check(!getsockname(listener, (void *)&address, &size), "getsockname");
  FILE *file = fopen(port_file, "w");
  check(file && fprintf(file, "%d", ntohs(address.sin_port)) > 0 && !fclose(file), port_file);
  printf("ready\n");
  fflush(stdout);
  int poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  event.data.fd = 0;
  epoll_ctl(poll, EPOLL_CTL_ADD, 0, &event);
  for (;;) {
    struct epoll_event events[64];
    int many = epoll_wait(poll, events, 64, -1);
    for (int i = 0; i < many; i++) {
      int fd = events[i].data.fd;
      if (fd == 0) {
        if (!command()) return 0;
      } else if (fd == listener) {
        int one = 1, client = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0) continue;
        if (client >= CONNECTIONS) { close(client); continue; }
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connection[client].used = 0;
        event.data.fd = client;
        epoll_ctl(poll, EPOLL_CTL_ADD, client, &event);
      } else {
        int used = connection[fd].used;
        ssize_t got = read(fd, connection[fd].data + used, REQUEST - used);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got > 0) connection[fd].used += got;
        if (got <= 0 || !answer(fd)) close(fd);
      }
    }
  }
}

static int make(const char *dir, int number, long long *landed) {
  static const char content[100] = "content";
  char path[4096];
  snprintf(path, sizeof path, "%s/f%07d", dir, number);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  check(fd >= 0 && write(fd, content, sizeof content) == sizeof content, path);
  *landed = now();
  return fd;
}

static void stream(const char *dir, int first, int many, long long every) {
  long long due = now();
  for (int i = first; i < first + many; i++, due += every) {
    struct timespec until = {due / 1000000000LL, due % 1000000000LL};
    if (every) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    close(make(dir, i, &arrived[i]));
  }
}

static void spread(const char *top, int first, int many, int in_each) {
  char dir[4000];
  for (int i = first; i < first + many; i++) {
    snprintf(dir, sizeof dir, "%s/d%04d", top, (i - first) / in_each);
    if ((i - first) % in_each == 0) check(!mkdir(dir, 0755) || errno == EEXIST, dir);
    close(make(dir, i, &arrived[i]));
  }
}

static void hold(const char *dir, int first, int many) {
  struct rlimit files = {many + 64, many + 64};
  check(!setrlimit(RLIMIT_NOFILE, &files), "so many open files");
  int *open = calloc(many, sizeof *open);
  char line[64];
  for (int i = 0; i < many; i++) open[i] = make(dir, first + i, &arrived[first + i]);
  printf("held\n");
  fflush(stdout);
  if (read(0, line, sizeof line) < 0) exit(1);
  for (int i = 0; i < many; i++) {
    check(write(open[i], "end", 3) == 3, "write");
    arrived[first + i] = now();
    close(open[i]);
  }
}

static void move(const char *from, const char *to, int first, int many) {
  for (int i = first; i < first + many; i++) close(make(from, i, &arrived[i]));
  for (int i = first; i < first + many; i++) {
    char old[4096], new[4096];
    snprintf(old, sizeof old, "%s/f%07d", from, i);
    snprintf(new, sizeof new, "%s/f%07d", to, i);
    arrived[i] = now();
    check(!rename(old, new), new);
  }
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(argv[2]);
  if (argc < 5) return 2;
  int moves = !strcmp(argv[1], "rename");
  if (argc < 5 + moves) return 2;
  char **rest = argv + 2 + moves;
  int first = atoi(rest[1]), many = atoi(rest[2]), more = argc == 6 ? atoi(argv[5]) : 0;
  if (first < 0 || many < 0 || first + many > FILES) return 2;
  if (moves) move(argv[2], argv[3], first, many);
  else if (!strcmp(argv[1], "burst")) stream(rest[0], first, many, 0);
  else if (!strcmp(argv[1], "stream")) stream(rest[0], first, many, more * 1000LL);
  else if (!strcmp(argv[1], "spread") && more > 0) spread(rest[0], first, many, more);
  else if (!strcmp(argv[1], "hold")) hold(rest[0], first, many);
  else return 2;
  for (int i = first; i < first + many; i++) printf("%d %lld\n", i, arrived[i]);
  return 0;
}
