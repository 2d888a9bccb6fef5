package binlog

// AppendDecimal is for tests.
var AppendDecimal = appendDecimal

// JSONColumn returns a column of JSON.
func JSONColumn() *Column { return &Column{Type: TypeJSON, Meta: 4, prefix: 4} }
