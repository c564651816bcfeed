/** Topic names as the broker allows them. */
export const TOPIC = /^[a-zA-Z0-9._-]{1,249}$/
