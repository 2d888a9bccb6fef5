store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "${env("CDCSYNC_TEST_SECRET")}/b.db"
}

link "l" {
  left  = store.a
  right = store["b"]
  tables { include = ["*"] }
}
