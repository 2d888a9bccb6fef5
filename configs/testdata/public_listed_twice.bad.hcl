store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "postgres"
  dsn    = "postgres://user:CANARY@host/db"
}

link "l" {
  left  = store.a
  right = store.b
  tables {
    include = ["t", "public.t", "w", "public.u", "crm.t"]
    exclude = ["public.u*", "crm.*"]
  }

  table "other" {
    left  = "x"
    right = "public.w"
  }
}
