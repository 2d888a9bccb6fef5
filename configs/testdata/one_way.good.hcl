store "a" {
  engine  = "sqlite"
  dsn     = (env("CDCSYNC_TEST_SECRET"))
  capture = "keys"
}

store "b" {
  engine  = "sqlite"
  dsn     = "b.db"
  capture = "rows"
}

link "l" {
  left      = store.a
  right     = store.b
  direction = "left_to_right"

  table "t" {
    column "full" { to_right = trimspace("${left.first} ${coalesce(left["last name"], "")}") }
    column "size" { to_right = left.width * left.height > 10 ? "large" : upper("small") }
    column "kind" { to_right = "imported" }
  }
}

admin { listen = "[::1]:8480" }
