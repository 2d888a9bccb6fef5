store "a" {
  engine = "sqlite"
  dsn    = env("CDCSYNC_TEST_UNSET")
}

store "b" {
  engine = "sqlite"
  dsn    = env("CDCSYNC_TEST_EMPTY")
}

store "c" {
  engine = "sqlite"
  dsn    = "/data/CANARY/${env("CDCSYNC_TEST_UNSET")}.db"
}

store "d" {
  engine = "sqlite"
  dsn    = env("postgres://user:CANARY@host/db")
}

store "e" {
  engine = "sqlite"
  dsn    = env(env("CDCSYNC_TEST_SECRET"))
}
