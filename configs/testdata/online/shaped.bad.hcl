store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "both" {
  left  = store.a
  right = store.b

  table "t" {
    column "id" { sensitive = true }
    column "name" { mask = "null" }
    column "note" { default = "none" }
    column "kind" { constant = "x" }
    column "source" { constant = true }
    column "made" { constant = 1 }
    column "sum" { constant = null }
    column "values" {
      left     = "only"
      constant = "x"
      values   = { a = "b" }
    }
  }
}

link "one" {
  left      = store.a
  right     = store.b
  direction = "left_to_right"

  table "u" {
    column "id" { mask = "null" }
    column "name" { mask = "null" }
    column "note" { default = "none" }
    column "kind" {
      default  = "x"
      to_right = upper(left.kind)
    }
    column "only" { constant = 1 }
    column "alone" { mask = "null" }
    column "sum" {
      mask     = "null"
      to_right = left.sum
    }
  }
}
