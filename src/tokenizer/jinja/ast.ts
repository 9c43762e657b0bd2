// The tree of a template. Made by parser.ts, completed by scopes.ts, walked by interpreter.ts.
import type { Order } from './protocols.ts'
import type { Text } from './text.ts'

export interface CallArguments {
  readonly list: readonly Expression[]
  readonly named: readonly (readonly [name: string, value: Expression])[]
  /** *x and **x */
  readonly rest: Expression | undefined
  readonly restNamed: Expression | undefined
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'
export type Comparison = '==' | '!=' | Order | 'in' | 'not in'

export type Expression = { readonly line: number } & (
  | { readonly type: 'constant'; readonly value: null | boolean | bigint | number | Text }
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly type: 'dict'; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | {
      readonly type: 'choice'
      readonly test: Expression
      readonly then: Expression
      readonly otherwise: Expression | undefined
    }
  | { readonly type: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly type: 'not' | 'minus' | 'plus'; readonly of: Expression }
  | {
      readonly type: 'binary'
      readonly op: BinaryOperator
      readonly left: Expression
      readonly right: Expression
    }
  | {
      readonly type: 'compare'
      readonly first: Expression
      readonly rest: readonly (readonly [Comparison, Expression])[]
    }
  | { readonly type: 'member'; readonly of: Expression; readonly name: string }
  | { readonly type: 'item'; readonly of: Expression; readonly index: Expression }
  | {
      readonly type: 'slice'
      readonly of: Expression
      readonly start: Expression | undefined
      readonly stop: Expression | undefined
      readonly step: Expression | undefined
    }
  | { readonly type: 'call'; readonly of: Expression; readonly args: CallArguments }
  | {
      readonly type: 'filter'
      /** Left out where a block is filtered. */
      readonly of: Expression | undefined
      readonly name: string
      readonly args: CallArguments
    }
  | {
      readonly type: 'test'
      readonly of: Expression
      readonly name: string
      readonly args: CallArguments
    }
)

/** What can be assigned to. */
export type Target =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'attribute'; readonly namespace: string; readonly name: string }
  | { readonly type: 'tuple'; readonly items: readonly Target[] }

/** Statements with names of their own. */
export interface Body {
  readonly statements: readonly Statement[]
  /** Names that are undefined in here until they are set, whatever they are outside; see scopes.ts. */
  hidden: readonly string[]
}

export interface MacroParts {
  readonly parameters: readonly string[]
  /** Of the last parameters. */
  readonly defaults: readonly Expression[]
  readonly body: Body
  /** Which of these its body asks for; found by scopes.ts. */
  special: ReadonlySet<'caller' | 'kwargs' | 'varargs'>
}

export type Statement = { readonly line: number } & (
  | { readonly type: 'output'; readonly parts: readonly Expression[] }
  | {
      readonly type: 'if'
      readonly branches: readonly (readonly [Expression, readonly Statement[]])[]
      readonly otherwise: readonly Statement[]
    }
  | {
      readonly type: 'for'
      readonly target: Target
      readonly over: Expression
      readonly test: Expression | undefined
      readonly recursive: boolean
      readonly body: Body
      readonly otherwise: Body
    }
  | { readonly type: 'break' | 'continue' }
  | { readonly type: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly type: 'capture'
      readonly target: Target
      readonly filter: Expression | undefined
      readonly body: Body
    }
  | { readonly type: 'macro'; readonly name: string; readonly macro: MacroParts }
  | {
      readonly type: 'callBlock'
      readonly call: Expression & { readonly type: 'call' }
      readonly macro: MacroParts
    }
  | { readonly type: 'filterBlock'; readonly filter: Expression; readonly body: Body }
  | {
      readonly type: 'with'
      readonly pairs: readonly (readonly [Target, Expression])[]
      readonly body: Body
    }
  /** {% generation %}: marks the assistant's text for training; here only a scope. */
  | { readonly type: 'generation'; readonly body: Body }
)
