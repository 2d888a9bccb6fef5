store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left  = store.a
  right = store.b
  tables { include = ["t"] }
}

admin {
  listen        = "127.0.0.1:8480"
  read_token    = env("CDCSYNC_TEST_SECRET")
  operate_token = "CANARY with spaces in it"
}
