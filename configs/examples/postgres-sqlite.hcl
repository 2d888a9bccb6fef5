# A PostgreSQL server at the head office (the hub) and the SQLite file of a till in a shop
# (the site), kept the same both ways. The till has other names, other codes, and cents.
#
#   cdcsync check postgres-sqlite.hcl     reads this file only
#   cdcsync plan  postgres-sqlite.hcl     looks into both stores and says what would be done
#   cdcsync run   postgres-sqlite.hcl     keeps them the same until it is stopped
#
# It runs on the machine of the till: a SQLite file is read where it is.

store "hub" {
  engine = "postgres"

  # The password alone is secret here, and in a file of its own it would be
  # file("hub.password"). sslmode=verify-full is also what goes without saying.
  dsn = "host=hub.example.org dbname=shop user=till7 password='${env("HUB_PASSWORD")}' sslmode=verify-full"
}

store "site" {
  engine = "sqlite"
  dsn    = "till.db"
}

link "till7" {
  left  = store.hub
  right = store.site

  # A till that is new takes what the head office has.
  initial = "left"

  conflict {
    policy = "merge"

    # A row that one side deleted and the other changed stays.
    deletes = "update_wins"
  }

  # The same name and the same columns on both sides. public.vat_rates is vat_rates here:
  # SQLite has no schemas.
  tables {
    include = ["vat_rates", "public.price_*"]
  }

  table "customers" {
    left  = "crm.customers"
    right = "tbl_cust"

    # Other names: left is what it is called in the hub, right in the till.
    column "id" { right = "cust_id" }
    column "email" { right = "mail" }

    # Other codes, one to one: left = right.
    column "status" {
      right = "state"
      values = {
        active   = "A"
        inactive = "I"
      }
    }

    # true and false there, 1 and 0 here, comes by itself.
    column "newsletter" { right = "news" }

    ignore = ["created_at"]
  }

  table "products" {
    right = "tbl_prod"

    column "id" { right = "prod_id" }

    # numeric(10,2) there, cents here. The form in which rows are compared is the right
    # one's, so 19.9 and 19.90 are the same price.
    column "price" {
      right    = "price_cents"
      to_right = round(left.price * 100)
      to_left  = right.price_cents / 100
    }

    # What the till sold and what the hub delivered both count.
    column "stock" { merge = "sum" }
  }
}

admin {
  listen = "127.0.0.1:8480"
}
