# Three stores in a row, and two links between the same two on different tables.
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

link "ab-slow" {
  left    = store.b
  right   = store.a
  initial = "none"
  tables { include = ["u"] }
}

link "bc" {
  left  = store.b
  right = store.c

  table "t" {
    # Made of two columns on the way there, and each of them has its way back.
    column "full" { to_right = "${left.first} ${left.last}" }
    column "first" { to_left = split(" ", right.full)[0] }
    column "last" { to_left = split(" ", right.full)[1] }
  }
}
