// Package integration runs whole programs through the drivers, on real databases.
package integration
