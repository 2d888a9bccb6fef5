# Moving off a legacy MySQL while the new PostgreSQL is already live: both are in use, table by
# table and program by program moves over, and neither side notices. Other names, codes, cents.
#
#   cdcsync check legacy-migration.hcl     reads this file only
#   cdcsync plan  legacy-migration.hcl     looks into both stores and says what would be done
#   cdcsync run   legacy-migration.hcl     keeps them the same until it is stopped

store "legacy" {
  engine = "mysql"
  dsn    = "syncer:${env("LEGACY_PASSWORD")}@tcp(legacy.example.org:3306)/shop?ssl-ca=/etc/ssl/legacy-ca.pem"
}

store "modern" {
  engine = "postgres"
  dsn    = "host=modern.example.org dbname=shop user=syncer password='${env("MODERN_PASSWORD")}'"
}

link "migration" {
  left  = store.legacy
  right = store.modern

  # The new side begins with what the old one has.
  initial = "left"

  conflict {
    policy = "merge"

    # A row that one side deleted and the other changed stays.
    deletes = "update_wins"
  }

  table "customers" {
    left = "tblCustomer"

    column "id" { left = "CustNo" }
    column "name" { left = "CustName" }

    # One letter there, a word here, one to one.
    column "status" {
      left = "Status"
      values = {
        A = "active"
        I = "inactive"
        B = "blocked"
      }
    }

    # ENUM there, text with a CHECK here: by the names of its members.
    column "kind" { left = "Kind" }

    # The old schema has no NULL for "never": it has a day that there is not.
    column "last_order" {
      left     = "LastOrder"
      to_right = left.LastOrder == "0000-00-00 00:00:00" ? null : left.LastOrder
      to_left  = coalesce(right.last_order, "0000-00-00 00:00:00")
    }

    # latin1 there, UTF-8 here, comes by itself.
    column "notes" { left = "Notes" }
  }

  table "orders" {
    left = "tblOrder"

    column "id" { left = "OrderNo" }
    column "customer_id" { left = "CustNo" }
    column "ordered_on" { left = "OrderDate" }

    # A number there, a word here.
    column "state" {
      left = "State"
      values = {
        "0" = "open"
        "1" = "shipped"
        "2" = "cancelled"
      }
    }

    # Cents there, numeric(12,2) here. The form in which rows are compared is the right one's.
    column "total" {
      left     = "TotalCents"
      to_right = format("%.2f", left.TotalCents / 100)
      to_left  = round(right.total * 100)
    }
  }

  table "order_lines" {
    left = "tblOrderLine"

    column "order_id" { left = "OrderNo" }
    column "line_no" { left = "LineNo" }
    column "article" { left = "Article" }

    # What both sides sold of one line adds up.
    column "quantity" {
      left  = "Qty"
      merge = "sum"
    }
    column "price" {
      left     = "PriceCents"
      to_right = format("%.2f", left.PriceCents / 100)
      to_left  = round(right.price * 100)
    }
  }
}

admin {
  listen = "127.0.0.1:8480"
}
