store "a" {
  engine = "sqlite"
  dsn    = upper("CANARY")
}

store "b" {
  engine = "sqlite"
  dsn    = evn("CDCSYNC_TEST_SECRET")
}

store "c" {
  engine = "sqlite"
  dsn    = env("CDCSYNC_TEST_SECRET").CANARY
}

store "d" {
  engine = "sqlite"
  dsn    = { for x in [1, 2] : env("CDCSYNC_TEST_SECRET") => "CANARY" }
}

store "f" {
  engine = "sqlite"
  dsn    = "${CANARY}"
}
