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

link "one" {
  left  = store.a
  right = store.b
  tables { include = ["t"] }
  verify {
    every = "10s"
    state = ""
  }
}

link "two" {
  left  = store.b
  right = store.c
  tables { include = ["t"] }
  verify {
    every = "24h"
    at    = "02:30"
    evry  = "1h"
  }
}

link "three" {
  left  = store.b
  right = store.c
  tables { include = ["u"] }
  verify { at = "half past two" }
  verify {}
}
