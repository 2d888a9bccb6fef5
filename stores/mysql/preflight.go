package mysql

import "context"

// Preflight returns everything that stands in the way of a link, or may.
func (s *Store) Preflight(ctx context.Context, n Need) ([]Problem, error) { return nil, nil }
