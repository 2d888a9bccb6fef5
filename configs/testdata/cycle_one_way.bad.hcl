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
  direction = "left_to_right"
  tables { include = ["t"] }
}

link "bc" {
  left  = store.b
  right = store.c
  direction = "left_to_right"
  tables { include = ["u"] }
}

link "ca" {
  left  = store.c
  right = store.a
  direction = "left_to_right"
  tables { include = ["v"] }
}
