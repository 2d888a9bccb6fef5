data_dir = "var/lib"

store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left     = store.a
  right    = store.b
  data_dir = "/var/lib"
  conflict {
    policy = "latest"
  }
  table "t" {}
}
