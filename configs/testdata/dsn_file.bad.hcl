store "a" {
  engine = "sqlite"
  dsn    = file("missing.secret")
}

store "b" {
  engine = "sqlite"
  dsn    = file("empty.secret")
}

store "c" {
  engine = "sqlite"
  dsn    = file("directory.secret")
}

store "d" {
  engine = "sqlite"
  dsn    = file(env("CDCSYNC_TEST_SECRET"))
}

store "e" {
  engine = "sqlite"
  dsn    = file("postgres://user:CANARY@host/db")
}
