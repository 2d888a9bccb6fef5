store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

store "c" {
  engine = "sqlite"
  dsn    = "c.db"
}

link "ab" {
  left  = store.a
  right = store.b
  tables { include = ["t"] }
}

link "bc" {
  left  = store.b
  right = store.c
  tables { include = ["t"] }
}

link "ca" {
  left  = store.c
  right = store.a
  tables { include = ["t"] }
}
