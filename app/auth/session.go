package auth

// User is somebody who is signed in.
type User struct {
	ID    int64
	Email string
	Role  Role
}
