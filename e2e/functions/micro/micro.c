/*
 * A function for benchmarks: HTTP/1.1 with keep-alive on the unix socket named by FN_LISTENER, one thread, one fixed
 * answer, at once or after MICRO_SLEEP_MS milliseconds; with MICRO_ECHO=1 it answers with the body. A request may come with a
 * length, in chunks, or without a body.
 *
 *   head --length--> sized --end--> (answer) head
 *     \---chunked--> size line -> data -> ... -> trailer --empty line--> (answer) head
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 65536
#define LINE_MAX_BYTES 256
#define EVENTS 16
#define ECHO_MAX (64UL << 20)

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";

enum phase { HEAD, SIZED, CHUNK_SIZE, CHUNK_DATA, TRAILER };

struct connection {
  int fd;
  enum phase phase;
  size_t left; /* bytes of the body or chunk that are still to come */
  size_t used; /* bytes in text */
  char *body;  /* what will be echoed */
  size_t body_size, body_room;
  char text[HEAD_MAX];
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Adds one byte to the line or head being read; false when it does not fit. */
static bool keep(struct connection *c, char byte, size_t max) {
  if (c->used + 1 >= max) return false;
  c->text[c->used++] = byte;
  c->text[c->used] = '\0';
  return true;
}

static bool ends_with(const struct connection *c, const char *tail) {
  size_t n = strlen(tail);
  return c->used >= n && memcmp(c->text + c->used - n, tail, n) == 0;
}

static void enter(struct connection *c, enum phase phase, size_t left) {
  c->phase = phase;
  c->left = left;
  c->used = 0;
}

/* The value of a header in a complete head, or NULL. */
static const char *header(const char *head, const char *name) {
  const char *at = strcasestr(head, name);
  return at == NULL ? NULL : at + strlen(name);
}

static struct timespec pause_before_answer;
static bool echoes;

static void read_settings(void) {
  const char *echo = getenv("MICRO_ECHO");
  echoes = echo != NULL && strcmp(echo, "1") == 0;
  const char *text = getenv("MICRO_SLEEP_MS");
  long ms = text == NULL ? 0 : atol(text);
  pause_before_answer = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

/* Keeps a piece of the body; false when there is too much of it. */
static bool keep_body(struct connection *c, const char *data, size_t size) {
  if (!echoes) return true;
  if (c->body_size + size > ECHO_MAX) return false;
  if (c->body_size + size > c->body_room) {
    size_t room = 2 * (c->body_size + size);
    char *grown = realloc(c->body, room);
    if (grown == NULL) return false;
    c->body = grown;
    c->body_room = room;
  }
  memcpy(c->body + c->body_size, data, size);
  c->body_size += size;
  return true;
}

static bool send_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent > 0) {
      data += sent;
      size -= (size_t)sent;
    } else if (sent < 0 && errno == EAGAIN) {
      struct pollfd writable = {.fd = fd, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else if (sent < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

static bool answer_with_body(struct connection *c) {
  char head[128];
  int size = snprintf(head, sizeof head,
                      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", c->body_size);
  bool sent = send_all(c->fd, head, (size_t)size) && send_all(c->fd, c->body, c->body_size);
  c->body_size = 0;
  return sent;
}

static bool answer(struct connection *c) {
  enter(c, HEAD, 0);
  if (pause_before_answer.tv_sec + pause_before_answer.tv_nsec > 0) nanosleep(&pause_before_answer, NULL);
  if (echoes) return answer_with_body(c);
  ssize_t size = sizeof ANSWER - 1;
  return send(c->fd, ANSWER, (size_t)size, MSG_NOSIGNAL) == size;
}

static bool head_complete(struct connection *c) {
  const char *encoding = header(c->text, "\r\ntransfer-encoding:");
  const char *length = header(c->text, "\r\ncontent-length:");
  if (encoding != NULL) {
    enter(c, CHUNK_SIZE, 0);
    return true;
  }
  size_t size = length == NULL ? 0 : strtoull(length, NULL, 10);
  if (size == 0) return answer(c);
  enter(c, SIZED, size);
  return true;
}

/* A chunk's size line is complete; its data is followed by a line end. */
static bool size_complete(struct connection *c) {
  size_t size = strtoull(c->text, NULL, 16);
  if (size == 0) enter(c, TRAILER, 0);
  else enter(c, CHUNK_DATA, size + 2);
  return true;
}

static bool trailer_line_complete(struct connection *c) {
  if (strcmp(c->text, "\r\n") == 0) return answer(c);
  c->used = 0;
  return true;
}

/* Takes in what was read; false when the connection has to go. */
static bool feed(struct connection *c, const char *data, size_t size) {
  size_t at = 0;
  while (at < size) {
    if (c->phase == SIZED || c->phase == CHUNK_DATA) {
      size_t step = size - at < c->left ? size - at : c->left;
      /* The line end after a chunk is no part of it. */
      size_t wanted = c->phase == SIZED ? c->left : c->left > 2 ? c->left - 2 : 0;
      size_t body = step < wanted ? step : wanted;
      if (!keep_body(c, data + at, body)) return false;
      at += step;
      c->left -= step;
      if (c->left > 0) return true;
      if (c->phase == CHUNK_DATA) enter(c, CHUNK_SIZE, 0);
      else if (!answer(c)) return false;
      continue;
    }
    if (!keep(c, data[at++], c->phase == HEAD ? HEAD_MAX : LINE_MAX_BYTES)) return false;
    if (c->phase == HEAD && ends_with(c, "\r\n\r\n") && !head_complete(c)) return false;
    if (c->phase == CHUNK_SIZE && ends_with(c, "\r\n") && !size_complete(c)) return false;
    if (c->phase == TRAILER && ends_with(c, "\r\n") && !trailer_line_complete(c)) return false;
  }
  return true;
}

/* Binds beside the path asked for, opens it to the runner, then links to it: the path appears when it can be used. */
static int listen_on(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char *copy = strdup(path);
  if (copy == NULL) fail("strdup");
  int size = snprintf(address.sun_path, sizeof address.sun_path, "%s/micro.sock", dirname(copy));
  free(copy);
  if (size < 0 || (size_t)size >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(path);
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (chmod(address.sun_path, 0666) < 0) fail("chmod");
  if (listen(fd, 128) < 0) fail("listen");
  if (symlink("micro.sock", path) < 0) fail("symlink");
  return fd;
}

static void watch(int epoll, int fd, void *owner) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void greet(int epoll, int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return; /* the peer left again, or there are too many: the next event tries once more */
  struct connection *c = malloc(sizeof *c);
  if (c == NULL) {
    close(fd);
    return;
  }
  *c = (struct connection){.fd = fd};
  enter(c, HEAD, 0);
  watch(epoll, fd, c);
}

static void serve(struct connection *c) {
  char data[HEAD_MAX];
  ssize_t size = recv(c->fd, data, sizeof data, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size > 0 && feed(c, data, (size_t)size)) return;
  close(c->fd); /* takes it out of the epoll set as well */
  free(c->body);
  free(c);
}

int main(void) {
  const char *listener = getenv("FN_LISTENER");
  if (listener == NULL || strncmp(listener, "unix:", 5) != 0) {
    fprintf(stderr, "FN_LISTENER: expected unix:<path>\n");
    return 2;
  }
  read_settings();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  int socket = listen_on(listener + 5);
  watch(epoll, socket, NULL);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) greet(epoll, socket);
      else serve(events[i].data.ptr);
    }
  }
}
