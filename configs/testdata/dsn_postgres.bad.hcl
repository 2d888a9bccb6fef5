store "a" {
  engine = "postgres"
  dsn    = "/data/CANARY.db"
}

store "b" {
  engine = "postgres"
  dsn    = "file:CANARY.db?mode=ro"
}

store "c" {
  engine = "postgres"
  dsn    = "mysql://user:CANARY@host/db"
}

store "d" {
  engine = "postgres"
  dsn    = "host=h password=two CANARY words"
}

store "e" {
  engine = "postgres"
  dsn    = "host=h password='CANARY"
}

store "f" {
  engine = "postgres"
  dsn    = env("CDCSYNC_TEST_SECRET")
}
