store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "one" {
  left  = store.a
  right = store.b
  table "t" {
    left  = "t1"
    right = "t1"
  }
  table "u" {
    left  = "t2"
    right = "t2"
  }
}

link "two" {
  left  = store.a
  right = store.b
  table "t" {
    left  = "t1"
    right = "t2"
  }
  table "u" {
    left  = "t2"
    right = "t1"
  }
}
