store "a" {
  engine = "postgres"
  dsn    = "postgres://user:CANARY@host/db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left  = store.a
  right = store.b
  tables {
    include = ["public.order", "tbl_cust", "public.o*", "sales.*"]
    exclude = ["public.order_tmq"]
  }

  table "products" {
    left  = "public.product"
    right = "products"
  }
  table "tbl_prod" {
    right = "public.products"
  }
}
