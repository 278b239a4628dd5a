/** A model could not be prepared; the message says what failed and what the user can do. */
export class PrepareError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PrepareError'
  }
}
