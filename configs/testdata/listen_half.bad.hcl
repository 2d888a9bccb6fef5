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
  listen        = "sync.example.org:8480"
  operate_token = "${env("CDCSYNC_TEST_SECRET")}-operate"
}
